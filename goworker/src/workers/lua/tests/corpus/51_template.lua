-- Lua 5.1: fills a template by gsub with a table and with a function. Params: {"name": "Zoe", "n": 3}
-- Result: "Dear Zoe, you have 3 letters; ZOE"
local text = ("Dear $name, you have $n letters"):gsub("%$(%w+)", job.params)
return text .. "; " .. ("name"):gsub("%w+", function(key) return job.params[key]:upper() end)
