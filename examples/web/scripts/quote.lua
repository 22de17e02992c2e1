-- Quotes a price: {"pieces": 3} -> {"price": 28.5}
return function(job)
  local pieces = job.params.pieces
  if pieces < 1 then
    discard("nothing is ordered")
  end
  return { price = pieces * 9.5 }
end
