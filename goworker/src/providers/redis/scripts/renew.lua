-- Extends leases. Own arguments: lease (ms), tokens. Answers the tokens that are lost, and the ids that someone asked to cancel.
lose_leases()
write_down()
local lost, cancelled = {}, {}
local anyone = call('EXISTS', prefix .. 'asked') == 1
for index = OWN + 1, #ARGV do
  local token = ARGV[index]
  local until_now = call('ZSCORE', prefix .. 'lease', token)
  if not until_now or tonumber(until_now) <= now then
    lost[#lost + 1] = token
  else
    call('ZADD', prefix .. 'lease', int(now + tonumber(ARGV[OWN])), token)
    if anyone then
      for _, id in ipairs(unsettled(token, cmsgpack.unpack(call('HGET', prefix .. 'batch', token)))) do
        if is_asked(id) then
          cancelled[#cancelled + 1] = id
        end
      end
    end
  end
end
return { lost, cancelled }
