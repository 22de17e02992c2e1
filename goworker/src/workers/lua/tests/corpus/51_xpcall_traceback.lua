-- Lua 5.1: xpcall with debug.traceback. Params: {}
-- Result: true
local ok, trace = xpcall(function() error("boom") end, debug.traceback)
return not ok and trace:find("boom") ~= nil
