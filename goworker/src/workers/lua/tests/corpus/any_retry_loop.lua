-- Any: a loop with pcall that gives up. Params: {"until": 3}
-- Result: ["3","failed 1; failed 2"]
local function retrying(times, f)
  local seen = {}
  for i = 1, times do
    local ok, result = pcall(f, i)
    if ok then return result, table.concat(seen, "; ") end
    seen[#seen + 1] = tostring(result):gsub("^.-:%d+: ", "")
  end
  error("gave up")
end
local result, seen = retrying(5, function(i)
  if i < job.params["until"] then error("failed " .. i) end
  return tostring(i)
end)
return { result, seen }
