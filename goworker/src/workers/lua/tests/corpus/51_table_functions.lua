-- Lua 5.1: insert, remove, concat, sort with a comparator. Params: {"words": ["pear", "fig", "apple"]}
-- Result: "fig<pear<apple"
local words = job.params.words
table.insert(words, 1, "x")
table.remove(words, 1)
table.sort(words, function(a, b) return #a < #b end)
return table.concat(words, "<")
