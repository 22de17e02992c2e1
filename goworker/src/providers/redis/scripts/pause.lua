-- Begins or ends a pause. Own arguments: `pause` or `resume`; what, as `paused` holds it.
if answered then
  return 0
end
local what = ARGV[OWN + 1]
if ARGV[OWN] == 'pause' then
  call('SADD', prefix .. 'paused', what)
else
  call('SREM', prefix .. 'paused', what)
  -- Nobody was told of what came meanwhile.
  for _, type in ipairs(call('HKEYS', prefix .. 'types')) do
    if what == 'queue' or what == 'type ' .. type then
      wake(type)
    end
  end
  write_down()
end
answer('')
return 0
