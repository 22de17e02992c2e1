-- Lua 5.3: string.pack and string.unpack. Params: {}
-- Result: [6,258,"hi"]
local packed = string.pack(">I2s2", 258, "hi")
local number, text = string.unpack(">I2s2", packed)
return { #packed, number, text }
