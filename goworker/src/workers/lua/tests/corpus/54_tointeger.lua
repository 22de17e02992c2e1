-- Lua 5.4: numbers that are whole. Params: {"a": "8", "b": 2.5}
-- Result: [8,"nil","float"]
return { math.tointeger(job.params.a), tostring(math.tointeger(job.params.b)), math.type(job.params.b) }
