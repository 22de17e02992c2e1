-- Lua 5.3: table.move for a slice. Params: {"list": [1, 2, 3, 4, 5]}
-- Result: [2,3,4]
return table.move(job.params.list, 2, 4, 1, {})
