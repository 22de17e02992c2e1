-- Receives a failed job, with its error and all its attempts.
return function(job)
  local failed = job.params.failed
  return { to = failed.job.params.card, after = #failed.attempts, because = failed.error.message }
end
