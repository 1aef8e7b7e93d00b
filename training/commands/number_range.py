"""A range of numbers on the command line. NaN is in none; click lets it through, for it is neither below nor above a bound."""

import math
from typing import Any

import click


class NumberRange(click.FloatRange):
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number: float = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value} is not in the range {self._describe_range()}.", param, ctx)
        return number
