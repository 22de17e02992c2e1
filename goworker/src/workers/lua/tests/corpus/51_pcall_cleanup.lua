-- Lua 5.1: pcall with cleanup and an error table. Params: {}
-- Result: ["E42","closed"]
local log = {}
local ok, err = pcall(function()
  error({ code = "E42" })
end)
log[#log + 1] = (not ok) and err.code or "none"
log[#log + 1] = "closed"
return log
