-- Lua 5.3: utf8. Params: {"text": "né€"}
-- Result: [3,[110,233,8364],"né"]
local points = {}
for _, point in utf8.codes(job.params.text) do points[#points + 1] = point end
return { utf8.len(job.params.text), points, job.params.text:sub(1, utf8.offset(job.params.text, 3) - 1) }
