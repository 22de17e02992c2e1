-- Lua 5.2: a chunk with an environment of its own. Params: {"expression": "a * b + 1"}
-- Result: 13
local chunk = assert(load("return " .. job.params.expression, "rule", "t", { a = 3, b = 4 }))
return chunk()
