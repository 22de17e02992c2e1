-- Lua 5.4: warn, and coroutine.close. Params: {}
-- Result: [true,"dead"]
warn("@on")
warn("careful ", "now")
local co = coroutine.create(function() coroutine.yield() end)
coroutine.resume(co)
return { coroutine.close(co), coroutine.status(co) }
