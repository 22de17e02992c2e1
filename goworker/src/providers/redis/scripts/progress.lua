-- Notes how far running jobs are. Own arguments, again and again: token, position in the batch, what is told.
for at = OWN, #ARGV, 3 do
  local token, position = ARGV[at], tonumber(ARGV[at + 1])
  local until_now = tonumber(call('ZSCORE', prefix .. 'lease', token) or nil)
  local batch = until_now and until_now > now and batch_of(token)
  if batch and are_open(batch, position, position) then
    call('HSET', prefix .. 'progress', ids_of(batch)[position + 1], token .. ' ' .. ARGV[at + 2])
  end
end
return 0
