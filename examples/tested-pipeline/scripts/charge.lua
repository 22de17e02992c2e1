-- Charges a card: {"card": "1234", "amount": 20}
return function(job)
  if job.params.amount > 1000 then
    error("card declined: " .. job.params.amount .. " is over the limit")
  end
  return { charged = job.params.amount }
end
