-- Greets somebody. Params: who (a name), n (any number; it comes back exactly).
return function(job)
  local who = job.params.who or "nobody"
  log.info("greeting " .. who)
  return { greeting = "Hello, " .. who .. "!", n = job.params.n }
end
