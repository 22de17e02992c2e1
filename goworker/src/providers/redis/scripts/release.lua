-- Gives back all that an owner holds, and counts nothing; the owner is listed no more. Own arguments: owner.
if answered then
  return 0
end
call('HDEL', prefix .. 'processes', ARGV[OWN])
call('ZREM', prefix .. 'seen', ARGV[OWN])
local released, anything = 0, false
for _, batch in ipairs(all_batches()) do
  anything = true
  if batch.owner == ARGV[OWN] then
    each_open(batch, function(_, id)
      local job = jobs.load(id)
      if job then
        jobs.put_back(job)
        released = released + 1
      end
    end)
    close_batch(batch)
  end
end
if anything then
  write_down()
  answer('')
end
return released
