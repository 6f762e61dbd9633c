-- The first 20 vehicles within 500 m of a place, which differs from request to request.
package.path = os.getenv("DIR") .. "/?.lua;" .. package.path
local common = require("common")
function init()
  common.seed()
  local requests = {}
  for n = 1, 500 do
    requests[n] = common.get(string.format(
      "/entities?type=Vehicle&georel=near;maxDistance==500&geometry=Point&coordinates=%%5B%.4f,%.4f%%5D&limit=20",
      2.35 + math.random() / 10, 48.85 + math.random() * 0.0777))
  end
  request = common.repeated(requests)
end
done = common.done
