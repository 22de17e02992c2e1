-- Lua 5.1: setfenv is gone, as in Lua 5.2. Params: {}
-- Fails: attempt to call a nil value
return setfenv(function() return x end, { x = 1 })()
