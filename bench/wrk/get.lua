-- One entity by its id, any of those loaded.
package.path = os.getenv("DIR") .. "/?.lua;" .. package.path
local common = require("common")
function init() common.seed() end
function request() return common.get("/entities/" .. common.any_id()) end
done = common.done
