-- The exact number of entities of a type, without any of them.
package.path = os.getenv("DIR") .. "/?.lua;" .. package.path
local common = require("common")
function init()
  request = common.repeated({ common.get("/entities?type=Vehicle&count=true&limit=0") })
end
done = common.done
