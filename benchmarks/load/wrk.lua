-- wrk ... -- BODY_FILE [EXPECTED_FILE]: posts the body. With EXPECTED_FILE, every good answer must have that body.
-- The last line is RESULT and JSON. Latencies are microseconds.

local threads = {}

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

-- Batched sums may differ in the last digit: numbers within 1e-5 count as equal.
local function close(body)
  local numbers = {}
  for number in body:gmatch("%-?%d+%.?%d*[eE]?[-+]?%d*") do numbers[#numbers + 1] = tonumber(number) end
  local n = 0
  for number in expected:gmatch("%-?%d+%.?%d*[eE]?[-+]?%d*") do
    n = n + 1
    local wanted = tonumber(number)
    if wanted and not (numbers[n] and math.abs(numbers[n] - wanted) <= 1e-5 * math.max(1, math.abs(wanted))) then return false end
  end
  return n == #numbers
end

local function check(status, headers, body)
  if status >= 400 then return end -- wrk counts it as failed
  checked = checked + 1
  if body ~= expected and not close(body) then wrong = wrong + 1 end
end

function setup(thread) threads[#threads + 1] = thread end

function init(args)
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
  wrk.body = read(args[1])
  checked, wrong = 0, 0
  if args[2] then
    expected = read(args[2])
    response = check
  end
end

function done(summary, latency, requests)
  local checked, wrong = 0, 0
  for _, thread in ipairs(threads) do
    checked, wrong = checked + thread:get("checked"), wrong + thread:get("wrong")
  end
  local e = summary.errors
  print(string.format(
    'RESULT {"requests": %d, "seconds": %.6f, "p50_us": %.1f, "p99_us": %.1f, "max_us": %.1f, "status": %d, "socket": %d, "timeout": %d, "checked": %d, "wrong": %d}',
    summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99), latency.max,
    e.status, e.connect + e.read + e.write, e.timeout, checked, wrong))
end
