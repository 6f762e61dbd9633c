-- The first 20 vehicles that are faster than 120.
package.path = os.getenv("DIR") .. "/?.lua;" .. package.path
local common = require("common")
function init()
  request = common.repeated({ common.get("/entities?type=Vehicle&q=speed%3E120&limit=20") })
end
done = common.done
