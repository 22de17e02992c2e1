-- Notes how far running jobs are. Own arguments, again and again: token, position in the batch, what is told.
for at = OWN, #ARGV, 3 do
  local token, position = ARGV[at], tonumber(ARGV[at + 1])
  local until_now = tonumber(call('ZSCORE', prefix .. 'lease', token) or nil)
  local packed = until_now and until_now > now and call('HGET', prefix .. 'batch', token)
  local id = packed and cmsgpack.unpack(packed)[3][position + 1]
  if id and call('SISMEMBER', prefix .. 'settled:' .. token, int(position)) == 0 then
    call('HSET', prefix .. 'progress', id, token .. ' ' .. ARGV[at + 2])
  end
end
return 0
