-- A step of a process that runs jobs: what became of deliveries, then new jobs. Own arguments: how many texts tell of settlements; those, as
-- settle.lua reads them; what is wanted, as fetch.lua reads it, or nothing. Answers which settlements are refused, and the new batch.
local wanted_at = OWN + 1 + tonumber(ARGV[OWN])
if answered then
  local refused, token = unpack(cmsgpack.unpack(answered))
  local batch = batch_of(token)
  return { refused, deliver(token, batch and ids_of(batch) or {}) } -- its lease may be lost meanwhile
end
lose_leases()
local refused, token, ids = settle(OWN + 1, wanted_at - 1), '0', {}
if wanted_at <= #ARGV then
  let_time_pass()
  token, ids = fetch(wanted_at)
end
write_down()
if wanted_at > OWN + 1 or #ids > 0 then
  answer(cmsgpack.pack({ refused, token }))
end
return { refused, deliver(token, ids) }
