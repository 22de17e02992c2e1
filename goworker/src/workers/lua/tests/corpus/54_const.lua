-- Lua 5.4: const. Params: {}
-- Fails: Luau has no `<const>`; write `local name = value`
local LIMIT <const> = 10
return LIMIT
