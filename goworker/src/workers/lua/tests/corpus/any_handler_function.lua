-- Any: the file returns the handler. Params: {"who": "you"}
-- Result: "hello you"
local function greet(name) return "hello " .. name end
return function(job)
  return greet(job.params.who)
end
