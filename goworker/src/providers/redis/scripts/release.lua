-- Gives back all that an owner holds, and counts nothing; the owner is listed no more. Own arguments: owner.
if answered then
  return 0
end
call('HDEL', prefix .. 'processes', ARGV[OWN])
call('ZREM', prefix .. 'seen', ARGV[OWN])
local released, batches = 0, call('HGETALL', prefix .. 'batch')
for index = 1, #batches, 2 do
  local token, batch = batches[index], cmsgpack.unpack(batches[index + 1])
  if batch[1] == ARGV[OWN] then
    for _, id in ipairs(unsettled(token, batch)) do
      local job = load(id)
      if job then
        put_back(job)
        released = released + 1
      end
    end
    close_batch(token)
  end
end
if #batches > 0 then
  write_down()
  answer('')
end
return released
