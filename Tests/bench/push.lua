-- wrk script: one request per line of the comparison. `wrk ... URL -- MODE BODY [AUTH]`, where BODY is a file.
--
-- repeated: BODY is sent as it is, always the same bytes.
-- unique:   every "@ID@" in BODY becomes an id that no other request has; "@ID@" may stand in one alert or in each of a hundred,
--           where "@N@" tells them apart beforehand (the body is prepared by compare.py).
-- lines:    BODY holds one path per line; they are taken in turn, with the body that `lines` names as its third argument.
-- get:      a GET of the path in the URL.
--
-- A fourth argument, RATE, paces each thread at so many requests a second, as far as answers come in time.
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

local fixed, parts, id_places, lines, body, run
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

function init(args)
   local mode = args[1]
   run = args[3] or "r"
   if args[4] then pace(tonumber(args[4])) end
   if mode == "get" then
      fixed = "GET " .. wrk.path .. " HTTP/1.1\r\nHost: " .. wrk.host .. ":" .. wrk.port .. "\r\n\r\n"
   elseif mode == "repeated" then
      local text = read(args[2])
      fixed = head(wrk.path, #text) .. text
   elseif mode == "lines" then
      local text = read(args[3])
      lines = {}
      for path in read(args[2]):gmatch("[^\n]+") do
         lines[#lines + 1] = head(path, #text) .. text
      end
   else
      parts = cut(read(args[2]))
      id_places = (#parts - 1) / 2
      for i = 1, #parts do length_without_ids = length_without_ids + #parts[i] end
   end
end

function request()
   if fixed then return fixed end
   count = count + 1
   if lines then return lines[count % #lines + 1] end
   local id = run .. thread_number .. "x" .. count
   for place = 1, id_places do parts[2 * place] = id end
   return head(wrk.path, length_without_ids + id_places * #id) .. table.concat(parts)
end

function done(summary, latency, _)
   local e = summary.errors
   io.write(string.format(
      '\nRESULT {"requests": %d, "seconds": %.6f, "p50_ms": %.3f, "p99_ms": %.3f, "max_ms": %.3f, "not_2xx": %d, "broken": %d}\n',
      summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3,
      e.status, e.connect + e.read + e.write + e.timeout))
end
