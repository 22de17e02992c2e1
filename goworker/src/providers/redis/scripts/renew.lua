-- Extends leases. Own arguments: lease (ms), tokens. Answers the tokens that are lost, and the ids that someone asked to cancel.
lose_leases()
write_down()
local lost, cancelled = {}, {}
local anyone = exists('asked')
for index = OWN + 1, #ARGV do
  local token = ARGV[index]
  local until_now = call('ZSCORE', prefix .. 'lease', token)
  if not until_now or tonumber(until_now) <= now then
    lost[#lost + 1] = token
  else
    call('ZADD', prefix .. 'lease', int(now + tonumber(ARGV[OWN])), token)
    if anyone then
      each_open(batch_of(token), function(_, id)
        if is_asked(id) then
          cancelled[#cancelled + 1] = id
        end
      end)
    end
  end
end
return { lost, cancelled }
