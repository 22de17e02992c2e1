-- Lua 5.1: select and varargs with holes. Params: {}
-- Result: [3,"c","nil"]
local function third(...)
  return select("#", ...), (select(3, ...)), tostring((select(2, ...)))
end
return { third("a", nil, "c") }
