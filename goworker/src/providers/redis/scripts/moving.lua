-- Moves to other stores. `moving` has, by target, the one that is open: token and ids (MessagePack). Its jobs are in no other place, so
-- nobody is handed one of them; whether the target has them already, only whoever moves them can tell.

function moving.open_move(target)
  local packed = call('HGET', prefix .. 'moving', target)
  return packed and cmsgpack.unpack(packed)
end

-- Whether a job is on its way.
local on_their_way -- by id
function moving.is_moving(id)
  if not on_their_way then
    on_their_way = {}
    for _, packed in ipairs(call('HVALS', prefix .. 'moving')) do
      for _, of in ipairs(cmsgpack.unpack(packed)[2]) do
        on_their_way[of] = true
      end
    end
  end
  return on_their_way[id]
end

function moving.state_of_moving(job)
  return job.due > now and 'scheduled' or 'ready'
end
