-- wrk script: one request per line of the comparison. `wrk ... URL -- MODE BODY [RUN] [RATE] [paths=FILE] [ports=N,N]`, where BODY is a file.
--
-- repeated: BODY is sent as it is, always the same bytes.
-- unique:   every "@ID@" in BODY becomes an id that no other request has; "@ID@" may stand in one alert or in each of a hundred,
--           where "@N@" tells them apart beforehand (the body is prepared by compare.py).
-- get:      a GET of the path in the URL, without a body.
--
-- RUN begins each id. RATE paces each thread at so many requests a second, as far as answers come in time.
-- paths=FILE: one path a line, taken in turn in place of the URL's. ports=N,N: the first thread loads the server on the first port, the next
-- one that on the next, and so on; the URL names the first. The latencies are those of all.
--
-- A trap: building a body with string.gsub for each request makes wrk itself the bottleneck. The parts are cut once, here,
-- and a request joins them.

local threads = 0

function setup(thread)
   thread:set("thread_number", threads)
   threads = threads + 1
end

local function read(name)
   local file = assert(io.open(name, "rb"))
   local text = file:read("*a")
   file:close()
   return text
end

local function cut(text)
   local parts, from = {}, 1
   while true do
      local first, last = text:find("@ID@", from, true)
      if not first then break end
      parts[#parts + 1] = text:sub(from, first - 1)
      parts[#parts + 1] = ""  -- the place of the id
      from = last + 1
   end
   parts[#parts + 1] = text:sub(from)
   return parts
end

local function head(path, length)
   return "POST " .. path .. " HTTP/1.1\r\nHost: " .. wrk.host .. ":" .. wrk.port
      .. "\r\nContent-Type: application/json\r\nContent-Length: " .. length .. "\r\n\r\n"
end

local fixed, parts, id_places, paths, run
local count, length_without_ids = 0, 0

-- Defines wrk's `delay`: milliseconds until the next request is due. One that is late is due at once, but not made up for twice.
local function pace(rate)
   local ffi = require("ffi")
   ffi.cdef("typedef struct { long s; long ns; } now_t; int clock_gettime(int clock, now_t *now);")
   local now, due = ffi.new("now_t"), nil
   function delay()
      ffi.C.clock_gettime(1, now)  -- CLOCK_MONOTONIC
      local time = tonumber(now.s) * 1000 + tonumber(now.ns) / 1e6
      due = math.max((due or time) + 1000 / rate, time - 100)
      return math.max(0, math.floor(due - time))
   end
end

-- Those after MODE and BODY: by place, or by name.
local function further(args)
   local found = {}
   for place = 3, #args do
      local name, value = args[place]:match("^(%a+)=(.*)$")
      found[name or #found + 1] = value or args[place]
   end
   return found
end

local function all(text, pattern)
   local found = {}
   for each in text:gmatch(pattern) do found[#found + 1] = each end
   return found
end

local function choose_port(ports)
   wrk.port = ports[thread_number % #ports + 1]
   wrk.thread.addr = wrk.lookup(wrk.host, wrk.port)[1]
end

function init(args)
   local mode, more = args[1], further(args)
   run = more[1] or "r"
   if more[2] then pace(tonumber(more[2])) end
   if more.ports then choose_port(all(more.ports, "%d+")) end
   paths = more.paths and all(read(more.paths), "[^\n]+") or {wrk.path}
   if mode == "get" then
      fixed = {"GET " .. wrk.path .. " HTTP/1.1\r\nHost: " .. wrk.host .. ":" .. wrk.port .. "\r\n\r\n"}
   elseif mode == "repeated" then
      local text = read(args[2])
      fixed = {}
      for i, path in ipairs(paths) do fixed[i] = head(path, #text) .. text end
   else
      parts = cut(read(args[2]))
      id_places = (#parts - 1) / 2
      for i = 1, #parts do length_without_ids = length_without_ids + #parts[i] end
   end
end

function request()
   count = count + 1
   if fixed then return fixed[count % #fixed + 1] end
   local id = run .. thread_number .. "x" .. count
   for place = 1, id_places do parts[2 * place] = id end
   return head(paths[count % #paths + 1], length_without_ids + id_places * #id) .. table.concat(parts)
end

function done(summary, latency, _)
   local e = summary.errors
   io.write(string.format(
      '\nRESULT {"requests": %d, "seconds": %.6f, "p50_ms": %.3f, "p99_ms": %.3f, "max_ms": %.3f, "not_2xx": %d, "broken": %d}\n',
      summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3,
      e.status, e.connect + e.read + e.write + e.timeout))
end
