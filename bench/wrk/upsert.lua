-- Batches of 100 over 1,000 entities of this generator, each of which gets new values in every round.
package.path = os.getenv("DIR") .. "/?.lua;" .. package.path
local common = require("common")
function init()
  local requests = {}
  for round = 0, 3 do
    for group = 0, 9 do
      local batch = {}
      for n = group * 100, group * 100 + 99 do
        batch[#batch + 1] = common.vehicle(string.format("urn:ngsi-ld:Vehicle:u%06d", common.number * 1000 + n), n + round * 17)
      end
      requests[#requests + 1] =
        common.send("POST", "/entityOperations/upsert", "[" .. table.concat(batch, ",") .. "]")
    end
  end
  request = common.repeated(requests)
end
done = common.done
