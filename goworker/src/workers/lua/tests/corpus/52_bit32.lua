-- Lua 5.2: bit32. Params: {"flags": 10}
-- Result: [2,11,40]
local flags = job.params.flags
return { bit32.band(flags, 3), bit32.bor(flags, 1), bit32.lshift(flags, 2) }
