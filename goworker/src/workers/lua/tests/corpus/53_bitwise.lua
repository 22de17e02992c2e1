-- Lua 5.3: bitwise operators. Params: {"n": 5}
-- Fails: Luau has no `&`; write `bit32.band(a, b)`
return job.params.n & 1
