-- A new value of one attribute of any of the entities loaded.
package.path = os.getenv("DIR") .. "/?.lua;" .. package.path
local common = require("common")
local n = 0
function init() common.seed() end
function request()
  n = n + 1
  return common.send("PATCH", "/entities/" .. common.any_id() .. "/attrs", string.format(
    '{"speed":{"type":"Property","value":%d.5,"unitCode":"KMH","observedAt":"2026-01-15T10:20:30Z"}}',
    n % 100000))
end
done = common.done
