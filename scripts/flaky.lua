-- Fails until its third attempt: shows how a job is tried again.
return function(job)
  if job.attempt < 3 then
    error("the network is down (attempt " .. job.attempt .. ")")
  end
  return "worked at attempt " .. job.attempt
end
