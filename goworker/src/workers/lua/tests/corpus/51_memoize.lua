-- Lua 5.1: a memo in a weak table. Params: {"n": 30}
-- Result: 832040
local memo = setmetatable({}, { __mode = "k" })
local cache = {}
local function fib(n)
  if n < 2 then return n end
  local known = cache[n]
  if not known then
    known = fib(n - 1) + fib(n - 2)
    cache[n] = known
  end
  return known
end
memo[cache] = true
return fib(job.params.n)
