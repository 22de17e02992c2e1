-- Lua 5.2: goto continue. Params: {"list": [1, 2, 3, 4]}
-- Fails: Luau has no `goto`; write a loop with `continue` or `break`, or a function with `return`
local out = {}
for _, n in ipairs(job.params.list) do
  if n % 2 == 1 then goto continue end
  out[#out + 1] = n
  ::continue::
end
return out
