-- What the cases share. Variables: PREFIX (path of the API), ENTITIES (how many are loaded),
-- RUN (makes the ids of created entities unique), DIR (this folder), KEY (credential, if any),
-- NUMBER (of several generators at the same time).
local common = {}

common.prefix = os.getenv("PREFIX") or "/ngsi-ld/v1"
common.entities = tonumber(os.getenv("ENTITIES") or "100")
common.run = os.getenv("RUN") or "0"
common.number = tonumber(os.getenv("NUMBER") or "0")

local reading = { ["Accept"] = "application/json" }
local writing = { ["Accept"] = "application/json", ["Content-Type"] = "application/json" }
if os.getenv("KEY") then
  reading["Authorization"] = "Bearer " .. os.getenv("KEY")
  writing["Authorization"] = reading["Authorization"]
end

function common.get(path) return wrk.format("GET", common.prefix .. path, reading) end
function common.send(method, path, body)
  return wrk.format(method, common.prefix .. path, writing, body)
end

function common.id(n) return string.format("urn:ngsi-ld:Vehicle:%06d", n) end
function common.any_id() return common.id(math.random(0, common.entities - 1)) end

-- A vehicle with five attributes, some 550 bytes; the same as in bench/workload.py.
local seen = '"observedAt":"2026-01-15T10:20:30Z"'
local form = '{"id":"%s","type":"Vehicle",'
  .. '"brandName":{"type":"Property","value":"Manufacturer %d"},'
  .. '"speed":{"type":"Property","value":%d.5,"unitCode":"KMH",' .. seen .. '},'
  .. '"fuelLevel":{"type":"Property","value":%d,"unitCode":"P1",' .. seen .. '},'
  .. '"location":{"type":"GeoProperty","value":{"type":"Point","coordinates":[%.5f,%.5f]},' .. seen .. '},'
  .. '"isParkedAt":{"type":"Relationship","object":"urn:ngsi-ld:OffStreetParking:Downtown%02d",' .. seen .. '}}'

function common.vehicle(id, n)
  return string.format(form, id, n % 20, n % 130, n % 100,
    2.35 + n % 1000 / 10000, 48.85 + n % 777 / 10000, n % 50)
end

-- Repeats requests made once: the generator's own work stays small.
function common.repeated(requests)
  local n = 0
  return function()
    n = n % #requests + 1
    return requests[n]
  end
end

-- Each thread has its own seed, so that they do not ask for the same in the same order.
function common.seed() math.randomseed(os.time() + tonumber(common.run:match("%d+") or "0")) end

function common.done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    'FIGURES {"seconds":%.6f,"requests":%d,"bytes":%d,"p50_us":%d,"p90_us":%d,"p99_us":%d,"max_us":%d,'
      .. '"status_errors":%d,"socket_errors":%d}\n',
    summary.duration / 1e6, summary.requests, summary.bytes, latency:percentile(50),
    latency:percentile(90), latency:percentile(99), latency.max, e.status,
    e.connect + e.read + e.write + e.timeout))
end

return common
