-- What to write for Lua 5.2's goto continue. Params: {"list": [1, 2, 3, 4]}
-- Result: [2,4]
local out = {}
for _, n in ipairs(job.params.list) do
  if n % 2 == 1 then continue end
  out[#out + 1] = n
end
return out
