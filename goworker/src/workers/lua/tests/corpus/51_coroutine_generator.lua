-- Lua 5.1: a generator by coroutine.wrap. Params: {"upto": 5}
-- Result: [1,1,2,3,5]
local function fibonacci()
  local a, b = 0, 1
  while true do
    a, b = b, a + b
    coroutine.yield(a)
  end
end
local out = {}
for n in coroutine.wrap(fibonacci) do
  out[#out + 1] = n
  if #out == job.params.upto then break end
end
return out
