-- Charges an amount to a card, which is declined if the amount is too high. No number of retries helps.
return function(job)
  if job.params.amount > 1000 then
    error("card declined: " .. job.params.amount .. " is over the limit")
  end
  return { charged = job.params.amount }
end
