from benchmarks.engines.cases import CASES
from benchmarks.engines.runtimes import network_of
from benchmarks.servers.realistic_model import NETWORK, STEPS


def test_the_realistic_model_is_among_the_cases() -> None:
    cases = [case for case in CASES if network_of(case) == NETWORK]
    assert [(case.batch, case.length) for case in cases] == [(1, STEPS), (32, STEPS), (256, STEPS)]


def test_a_case_without_classes_has_a_number_for_each_step() -> None:
    network = network_of(CASES[0])
    assert (network.topology.name, network.outputs, network.softmax) == ("many_to_many", 1, False)
    assert network.parameters.total == 146
