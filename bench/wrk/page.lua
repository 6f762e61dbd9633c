-- The first 20 entities of a type.
package.path = os.getenv("DIR") .. "/?.lua;" .. package.path
local common = require("common")
function init() request = common.repeated({ common.get("/entities?type=Vehicle&limit=20") }) end
done = common.done
