-- One new entity a request.
package.path = os.getenv("DIR") .. "/?.lua;" .. package.path
local common = require("common")
local n = 0
function request()
  n = n + 1
  local id = string.format("urn:ngsi-ld:Vehicle:c%s-%08d", common.run, n)
  return common.send("POST", "/entities", common.vehicle(id, n))
end
done = common.done
