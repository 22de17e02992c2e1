-- Lua 5.1: unpack, table.getn and string.gfind are old; unpack is still there. Params: {"list": [3, 1, 2]}
-- Result: [1,2,3,6]
local list = job.params.list
table.sort(list)
local a, b, c = unpack(list)
local function sum(...)
  local total = 0
  for _, n in ipairs({ ... }) do total = total + n end
  return total
end
return { a, b, c, sum(a, b, c) }
