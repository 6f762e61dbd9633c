-- Page 1,000 of a type, 20 entities a page.
package.path = os.getenv("DIR") .. "/?.lua;" .. package.path
local common = require("common")
function init()
  request = common.repeated({ common.get("/entities?type=Vehicle&limit=20&offset=20000") })
end
done = common.done
