-- Ids of jobs in one place, a page of them, as `TICKET ID` with the ticket of acceptance. Own arguments: place; type, or '' for all; from
-- which position; how many. Places: scheduled, dead, running, moving, ended, ready, list. Answers the next position (-1: there is no more), and the page.
local place, type, from, most = ARGV[OWN], ARGV[OWN + 1], tonumber(ARGV[OWN + 2]), tonumber(ARGV[OWN + 3])
local ids, following = {}, -1

local function add(id)
  ids[#ids + 1] = id
end

local function page_of(key)
  local page = call('ZRANGE', key, from, from + most - 1)
  for _, of in ipairs(page) do
    add(jobs.id_in(of))
  end
  return #page == most
end

if place == 'scheduled' or place == 'dead' then
  following = page_of(prefix .. (place == 'dead' and 'dead' or 'due')) and from + most or -1
elseif place == 'running' then
  for _, batch in ipairs(all_batches()) do
    each_open(batch, function(_, id)
      add(id)
    end)
  end
elseif place == 'moving' then
  for _, packed in ipairs(call('HVALS', prefix .. 'moving')) do
    for _, id in ipairs(cmsgpack.unpack(packed)[2]) do
      add(id)
    end
  end
elseif place == 'ended' then
  local entries = call('LRANGE', prefix .. 'ended', from, from + 99)
  for _, packed in ipairs(entries) do
    for _, id in ipairs(read_ids(cmsgpack.unpack(packed)[4])) do
      add(id)
    end
  end
  following = #entries == 100 and from + 100 or -1
elseif place == 'ready' then
  following = page_of(prefix .. 'ready:' .. type) and from + most or -1
elseif place == 'list' then
  -- From the end, where the newest are.
  local page = call('LRANGE', prefix .. 'list:' .. type, -from - most, -from - 1)
  for _, id in ipairs(page) do
    if call('HEXISTS', prefix .. 'gone:' .. type, id) == 0 then
      add(id)
    end
  end
  following = #page == most and from + most or -1
end

local found, records = {}, #ids > 0 and call('HMGET', prefix .. 'jobs', unpack(ids)) or {}
for index, id in ipairs(ids) do
  local job = records[index] and jobs.parse(id, records[index])
  if job and (type == '' or job.type == type) then
    found[#found + 1] = int(job.ticket) .. ' ' .. id
  end
end
return { following, found }
