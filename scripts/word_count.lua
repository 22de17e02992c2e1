-- Counts the words of a text. A plain body works too: `job` is there, and `return` gives the output.
local counts = {}
for word in job.params.text:lower():gmatch("%a+") do
  counts[word] = (counts[word] or 0) + 1
end
return counts
