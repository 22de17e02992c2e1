-- Lua 5.2: table.pack, table.unpack, and a nil inside. Params: {}
-- Result: [3,"x"]
local packed = table.pack("x", nil, nil)
return { packed.n, (table.unpack(packed, 1, packed.n)) }
